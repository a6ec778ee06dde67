# shellcheck shell=bash
# `lab prepare`: packages, the engine, images, artefacts. What a recipe makes is kept under a key of what went into it.
# Sourced by ../lab.

etcd_version=3.5.6
etcd_later_version=3.5.21
questdb_version=6.6.1
kuboard_tag=v3.5.2.9

prepare() {
    local for_tests='' only_packages=''
    case ${1:-} in
        '') ;;
        --tests) for_tests=yes ;;
        --packages) only_packages=yes ;;
        *) die "prepare knows only --tests and --packages, not: $1" ;;
    esac
    [ "$(uname -s)" = Linux ] || die "the lab needs Linux; on another system run it inside a virtual machine"
    command -v apt-get > /dev/null || die "the lab needs Debian or a kin with apt-get to build its hosts"
    install_packages "$packages${for_tests:+$test_packages}"
    [ -z "$only_packages" ] || return 0
    start_engine

    mkdir -p "$cache"
    # Two at once would build everything twice.
    exec 9> "$cache/lock"
    flock -n 9 || { say "another prepare runs; waiting for it"; flock 9; }
    # Side by side: one waits for the network, the other for the processor.
    local hosts artifacts failed=
    make_hosts &
    hosts=$!
    make_artifacts &
    artifacts=$!
    wait "$hosts" || failed=yes
    wait "$artifacts" || failed=yes
    exec 9>&-
    [ -z "$failed" ] || exit 1
    say "ready"
}

# ---- packages and engine

# What is installed where it is missing: a command or a file that shows that it is there, and the Debian package that brings it.
# The first ones are for cargo (rustup brings no linker, and the crates have C in them) and for jlink, which calls objcopy.
packages='
cc gcc
/usr/include/stdlib.h libc6-dev
objcopy binutils
dockerd docker.io
docker docker.io
debootstrap debootstrap
iptables iptables
ip iproute2
ssh openssh-client
flock util-linux
go golang-go
mvn maven
jlink default-jdk-headless
'
test_packages='
sshd openssh-server
tmux tmux
busybox busybox
dash dash
fish fish
csh csh
openssl openssl
sudo sudo
haproxy haproxy
keepalived keepalived
'

# is_there COMMAND|FILE
is_there() {
    case $1 in
        /*) [ -e "$1" ] ;;
        *) command -v "$1" > /dev/null || [ -x "/usr/sbin/$1" ] ;;
    esac
}

# install_packages TABLE
install_packages() {
    local missing=() shown package
    while read -r shown package; do
        [ -n "$shown" ] || continue
        is_there "$shown" || missing+=("$package")
    done <<< "$1"
    [ ${#missing[@]} -gt 0 ] || return 0
    say "installing packages: ${missing[*]}"
    local log=/tmp/kuboard-ha-lab-apt.$$.log
    # RUNLEVEL: what is installed for tests is not started on this machine.
    if ! { as_root apt-get update && as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
        apt-get install -y --no-install-recommends "${missing[@]}"; } > "$log" 2>&1 < /dev/null; then
        tail -n 5 "$log" >&2
        die "apt-get could not install ${missing[*]} (log: $log); mend the package sources, then run lab prepare again"
    fi
    rm -f "$log"
}

start_engine() {
    ! engine_answers || return 0
    if [ -d /run/systemd/system ]; then
        say "starting docker.service"
        as_root systemctl start docker.service || die "docker.service does not start; see: journalctl -u docker.service"
    else
        local log=/var/log/kuboard-ha-lab-dockerd.log
        say "starting a Docker engine (log: $log)"
        # Its own session and no terminal: it outlives the shell that called.
        as_root sh -c "setsid nohup dockerd > $log 2>&1 < /dev/null &"
    fi
    until_true 60 engine_answers || die "the Docker engine does not answer after 60 s; see ${log:-journalctl -u docker.service}"
}

# ---- the cache

# key FILE|WORD...: one hash over the contents of files and over words.
key() {
    local part
    for part in "$@"; do
        if [ -f "$part" ]; then cat "$part"; else printf '%s\n' "$part"; fi
    done | sha256sum | cut -c 1-12
}

# made NAME KEY COMMAND...: runs COMMAND OUT ... in an empty directory unless its result is cached; prints where the result is.
# The first word of COMMAND is a recipe; the word OUT among its arguments stands for the directory it fills.
made() {
    local result=$cache/$1-$2 name=$1 log=$cache/$1.log
    shift 2
    if [ ! -d "$result" ]; then
        say "making $name (log: $log)"
        local work=$cache/work-$name started=$SECONDS word arguments=()
        as_root rm -rf "$work"
        mkdir -p "$work/run" "$work/out"
        for word in "$@"; do
            [ "$word" != OUT ] || word=$work/out
            arguments+=("$word")
        done
        if ! (cd "$work/run" && "${arguments[@]}") > "$log" 2>&1 < /dev/null; then
            tail -n 5 "$log" >&2
            die "$name could not be made (log: $log); mend what the log says, then run lab prepare again"
        fi
        mv "$work/out" "$result"
        # What nobody used for two weeks goes; another checkout may still use what is younger.
        find "$cache" -maxdepth 1 -name '*-????????????' -mtime +14 -exec rm -rf {} +
        as_root rm -rf "$work"
        say "made $name in $((SECONDS - started)) s"
    fi
    touch "$result"
    printf '%s\n' "$result"
}

# ---- images

hosts_key() { key "$lab_source/recipes/host-image" "$lab_source/host/lab-init" "$(architecture)"; }
mirror_key() { key "$lab_source/recipes/mirror" "$lab_source"/mirror/* "$(architecture)"; }
image_of() { printf 'kuboard-ha-lab:%s-%s' "$1" "$2"; }

make_hosts() {
    local key disks kind
    key=$(hosts_key)
    disks=$(made hosts "$key" as_root "$lab_source/recipes/host-image" OUT "$lab_source")
    for kind in bare full; do
        import "$(image_of "$kind" "$key")" "$disks/$kind.tar" 'CMD ["/lab-init"]'
    done
    key=$(mirror_key)
    disks=$(made mirror "$key" "$lab_source/recipes/mirror" OUT "$lab_source")
    import "$(image_of mirror "$key")" "$disks/mirror.tar" 'ENTRYPOINT ["/mirror"]'
}

# import IMAGE TAR CHANGE
import() {
    ! docker image inspect "$1" > /dev/null 2>&1 || return 0
    say "importing $1"
    docker import -c "$3" -c 'LABEL kuboard-ha.lab.image=yes' - "$1" < "$2" > /dev/null ||
        die "docker import of $2 failed; is the disk full? (df -h /var/lib/docker)"
}

# ---- artefacts

artifacts_key() {
    key "$lab_source/recipes/etcd" "$lab_source/recipes/questdb" "$lab_source/recipes/standin" "$lab_source"/standin/*.{mod,go} \
        "$etcd_version" "$etcd_later_version" "$questdb_version" "$kuboard_tag" "$(architecture)"
}

# The directory that the mirror serves: hard links to what the recipes made, and SHA256SUMS.
artifacts_dir() { printf '%s/artifacts-%s' "$cache" "$(artifacts_key)"; }

make_artifacts() {
    local arch recipes=$lab_source/recipes version result results=()
    arch=$(architecture)
    for version in "$etcd_version" "$etcd_later_version"; do
        result=$(made "etcd-$version" "$(key "$recipes/etcd" "$version" "$arch")" "$recipes/etcd" OUT "$version" "$arch")
        results+=("$result")
    done
    result=$(made questdb "$(key "$recipes/questdb" "$questdb_version" "$arch")" "$recipes/questdb" OUT "$questdb_version" "$arch")
    results+=("$result")
    result=$(made standin "$(key "$recipes/standin" "$lab_source"/standin/*.{mod,go} "$kuboard_tag" "$arch")" \
        "$recipes/standin" OUT "$kuboard_tag" "$arch" "$lab_source")
    results+=("$result")
    made artifacts "$(artifacts_key)" gather_artifacts OUT "${results[@]}" > /dev/null
}

gather_artifacts() {
    local out=$1 source
    shift
    for source in "$@"; do
        ln "$source"/* "$out/"
    done
    (cd "$out" && sha256sum ./*.tar.gz | sed 's|\./||' > SHA256SUMS && chmod 0644 ./*)
}

# package_names: each once.
package_names() { awk 'NF == 2 && !seen[$2]++ { print $2 }' <<< "$packages$test_packages"; }

clean() {
    as_root rm -rf "$cache"
    say "emptied $cache; these packages, if the lab installed them, stay: $(package_names | paste -sd ' ')"
}
