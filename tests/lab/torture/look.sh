# What a host holds, one fact a line, read through Docker and not through the program. Changes nothing. Its arguments are
# the files that the plan may write; FULL asks also for what runs.
state=/var/lib/kuboard-ha/kuboard
# A host that has just got its power back has not yet found its disk.
tries=0
until mountpoint -q /var/lib/kuboard || [ "$tries" -gt 100 ]; do tries=$((tries + 1)); sleep 0.05; done

if [ -e "$state/lease" ] && ! flock -s -n "$state/lease" true; then echo "lease $(cat "$state/holder")"; fi

for folder in /var/lib/etcd /var/lib/etcd/aside-*; do
    for part in member member/wal member/snap; do
        [ ! -d "$folder/$part" ] || echo "inode $(stat -c %i "$folder/$part") $folder/$part"
    done
    for log in "$folder"/member/wal/*.wal; do
        [ ! -f "$log" ] || { echo "wal $log $(od -An -v -tx1 -N 512 "$log" | tr -d ' \n')"; break; }
    done
done
for folder in /var/lib/questdb /var/lib/questdb/aside-*; do
    [ ! -d "$folder/db" ] || echo "inode $(stat -c %i "$folder/db") $folder/db"
done

{
    for path in "$@"; do echo "$path"; done
    [ ! -f "$state/manifest" ] || sed -n 's/^file \([^ ]*\) .*/\1/p' "$state/manifest"
} | sort -u | while read -r path; do
    [ ! -f "$path" ] || [ -L "$path" ] || echo "file $path $(sha256sum <"$path" | cut -d' ' -f1) $(stat -c '%a %U:%G' "$path")"
done
if [ -f "$state/manifest" ]; then
    sed -n 's/^file /recorded /p' "$state/manifest"
    grep -vE '^(file|install|etcd|questdb|kuboard|load_balancer|balancer) [^ ]+ ' "$state/manifest" | sed 's/^/torn /'
fi
find /etc /opt/kuboard-ha /usr/local/bin /usr/libexec /var/lib/kuboard "$state" -xdev \
    \( -name '*.kuboard-ha.new' -o -path '/opt/kuboard-ha/*.new' -o -name '*.replaced-*' -o -path "$state/*.new" -o -path "$state/stage/*" \
    -o -path "$state/*.part" \) -prune -printf 'leftover %p %s\n' 2>/dev/null

for path in "$state" "$state/secrets" "$state/snapshots"; do
    [ ! -d "$path" ] || echo "folder $path $(stat -c '%a %U' "$path")"
done
for path in "$state"/secrets/* "$state"/snapshots/*; do
    [ ! -f "$path" ] || echo "private $path $(stat -c '%a %U' "$path") $(od -An -v -tx1 -N 256 "$path" | tr -d ' \n')"
done
[ -n "$FULL" ] || exit 0

# running NAME UNIT FILE: the live process against the file that its unit reads.
running() {
    process=$(systemctl show -p MainPID --value "$2" 2>/dev/null)
    [ "${process:-0}" != 0 ] || return 0
    echo "exe $1 $(readlink "/proc/$process/exe")"
    tr '\0' '\n' <"/proc/$process/environ" | sed "s/^/has $1 /"
    sed -n "s/^\([A-Za-z_][A-Za-z0-9_]*=\)/wants $1 \1/p" "$3"
}
running etcd etcd.service /etc/etcd.env
echo "link etcd $(readlink -f /usr/local/bin/etcd)"
running questdb questdb.service /etc/questdb.env 2>/dev/null
if systemctl -q is-active docker && docker inspect kuboard >/dev/null 2>&1; then
    docker inspect -f '{{range .Config.Env}}has kuboard {{println .}}{{end}}label kuboard {{index .Config.Labels "kuboard-ha.config"}}
running kuboard {{.State.Running}} {{.Config.Image}}' kuboard
    sed -n 's/^\([A-Za-z_][A-Za-z0-9_]*=\)/wants kuboard \1/p' /etc/kuboard.env
    docker ps -a --format '{{.Names}}' | sed 's/^/container /'
fi
ip -o address | sed 's/^.* inet \([0-9.]*\).*/address \1/'
for process in /proc/[0-9]*; do
    line=$(tr '\0' ' ' <"$process/cmdline" 2>/dev/null) || continue
    case $line in *torture-look*) continue ;; 'sshd: /usr/sbin/sshd'*) continue ;; 'sshd: '* | *'#kuboard-ha end'* | *' kuboard-ha ') echo "shell $line" ;; esac
done
true
