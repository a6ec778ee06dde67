# A copy of the database of this member, root-only, under its name only when it is whole: the last 32 bytes are the
# sha256 of what stands before them.
folder=$STATE/snapshots
mkdir -p "$folder"
chmod 0700 "$folder"
rm -f "$folder"/*.part
size=$(wc -c <"$data_dir/member/snap/db")
# shellcheck disable=SC2046  # words are wanted
set -- $(df -Pk "$folder" | tail -n 1)
free=$(($4 * 1024))
[ "$free" -gt $((size + 67108864)) ] ||
	fail "a snapshot of etcd takes $((size / 1048576)) MiB and 64 MiB to spare, $((free / 1048576)) MiB are free in $folder"
name=$(date -u +%Y%m%dT%H%M%SZ)-$RUN.db
# What somebody set for their own use, in root's environment, would win over the flags or forbid them.
for set_by in $(env | sed -n 's/^\(ETCDCTL_[A-Z0-9_]*\)=.*/\1/p'); do unset "$set_by"; done
said=$(ETCDCTL_API=3 "$etcdctl" --endpoints="http://127.0.0.1:$port" --command-timeout=10m \
	snapshot save "$folder/$name.part" 2>&1) || fail "no snapshot: $(printf '%s' "$said" | tail -n 1)"
chmod 0600 "$folder/$name.part"
whole=$(wc -c <"$folder/$name.part")
[ "$whole" -gt 32 ] || fail "the snapshot is empty"
tail=$(tail -c 32 "$folder/$name.part" | od -An -v -tx1 | tr -d ' \n')
sum=$(head -c $((whole - 32)) "$folder/$name.part" | sha256sum)
[ "${sum%% *}" = "$tail" ] || fail "the snapshot is damaged: its digest is not what it says"
sync "$folder/$name.part" 2>/dev/null || sync
mv -f "$folder/$name.part" "$folder/$name"
sync "$folder" 2>/dev/null || sync
# Two others stay beside it. A clock that was ahead once named some that sort after this one.
others=0
for old in $(ls -1 "$folder" | sort -r); do
	case $old in "$name") continue ;; *.db) ;; *) continue ;; esac
	others=$((others + 1))
	[ "$others" -le 2 ] || rm -f "$folder/$old"
done
echo "$folder/$name"
