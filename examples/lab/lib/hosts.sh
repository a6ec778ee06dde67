# shellcheck shell=bash
# A lab's hosts and network: boot, faults, removal. Sourced by ../lab.

default_subnet=10.99.16.0/24

lab_dir() { printf '%s/%s' "$labs" "$lab"; }

is_running() { [ "$(docker container inspect -f '{{.State.Running}}' "$1" 2> /dev/null)" = true ]; }
exists() { docker container inspect "$1" > /dev/null 2>&1; }

# subnet: of the lab, if it is up.
subnet() { docker network inspect -f '{{(index .IPAM.Config 0).Subnet}}' "$(network)" 2> /dev/null; }

# ---- boot

boot() {
    local kind=full wanted='' topology='' hosts=() image host directory disk_size=''
    while [ $# -gt 0 ]; do
        case $1 in
            --subnet) wanted=${2:?--subnet needs A.B.C.0/24}; shift ;;
            --image) kind=${2:?--image needs full or bare}; shift ;;
            --topology) topology=${2:?--topology needs a name}; shift ;;
            --disk) disk_size=${2:?--disk needs a size, as in 2G}; shift ;;
            --*) die "boot does not know $1; see: lab help" ;;
            *=*.*.*.*) hosts+=("$1") ;;
            *) die "not HOST=ADDRESS: $1" ;;
        esac
        shift
    done
    case $kind in full | bare) ;; *) die "--image is full or bare, not: $kind" ;; esac
    need_engine
    make_network "$wanted"
    if [ -n "$topology" ]; then
        mapfile -t -O ${#hosts[@]} hosts < <(topology_hosts "$topology" "$(subnet)")
    fi
    [ ${#hosts[@]} -gt 0 ] || die "boot needs HOST=ADDRESS ... or --topology eight"
    if [ ! -d "$cache/hosts-$(hosts_key)" ] || [ ! -d "$(artifacts_dir)" ]; then
        die "the lab is not prepared; run: lab prepare"
    fi
    make_hosts
    room_for_watches
    image=$(image_of "$kind" "$(hosts_key)")

    directory=$(lab_dir)
    mkdir -p "$directory"
    [ -s "$directory/id_ed25519" ] || ssh-keygen -q -t ed25519 -N '' -C "kuboard-ha lab $lab" -f "$directory/id_ed25519"

    start_mirror
    local started=$SECONDS
    host_boot() { start_host "$image" "${1%%=*}" "${1#*=}"; }
    at_once host_boot "${hosts[@]}" || die "not every host started; see above"
    write_access
    at_once host_wait "${hosts[@]%%=*}" || exit 1
    say "lab $lab: ${#hosts[@]} hosts answer after $((SECONDS - started)) s; ssh -F $directory/ssh_config HOST"
}

# Each host's systemd takes five or so of the kernel's inotify instances. They are counted for this machine's root, all hosts together;
# the usual limit of 128 is spent after some twenty hosts, and the next ones do not boot.
room_for_watches() {
    local setting=fs.inotify.max_user_instances enough=1024 now
    now=$(cat "/proc/sys/${setting//.//}")
    [ "$now" -lt "$enough" ] || return 0
    say "this machine's $setting: $now -> $enough, until it boots again"
    as_root sysctl -q -w "$setting=$enough" || say "cannot raise $setting; more than twenty hosts may not boot"
}

make_network() {
    local existing
    if existing=$(subnet); then
        [ -z "$1" ] || [ "$1" = "$existing" ] || die "lab $lab has subnet $existing; run lab down --lab $lab first"
        return 0
    fi
    local wanted=${1:-$default_subnet}
    case $wanted in *.*.*.0/24) ;; *) die "a lab's subnet is of the form A.B.C.0/24, not: $wanted" ;; esac
    docker network create --driver bridge --subnet "$wanted" --gateway "$(address "$wanted" 1)" \
        --label "kuboard-ha.lab=$lab" "$(network)" > /dev/null ||
        die "cannot make network $wanted; is it in use? choose another with --subnet A.B.C.0/24"
}

# The mirror that serves the artefacts has the number 2.
start_mirror() {
    local name artifacts
    name=$(container mirror)
    artifacts=$(artifacts_dir)
    if exists "$name"; then
        # It serves what was current when it was made.
        [ "$(docker container inspect -f '{{index .Config.Labels "kuboard-ha.lab.artifacts"}}' "$name")" != "$artifacts" ] || {
            is_running "$name" || docker start "$name" > /dev/null
            return 0
        }
        docker rm -f "$name" > /dev/null
    fi
    docker run -d --name "$name" --label "kuboard-ha.lab=$lab" --label "kuboard-ha.lab.artifacts=$artifacts" \
        --network "$(network)" --ip "$(address "$(subnet)" 2)" --network-alias mirror --memory 128m \
        -v "$artifacts:/artifacts:ro" "$(image_of mirror "$(mirror_key)")" :80 /artifacts > /dev/null ||
        die "the mirror does not start"
}

# start_host IMAGE HOST ADDRESS
start_host() {
    local name
    name=$(container "$2")
    case $2 in '' | mirror | *[!a-z0-9-]*) die "not a host's name: $2" ;; esac
    if exists "$name"; then
        is_running "$name" || docker start "$name" > /dev/null
        return
    fi
    local disk=()
    if [ -n "$disk_size" ]; then
        make_disk "$2" "$disk_size"
        disk=(-v "$(disk_of "$2"):/disk" -v "$lab_source/host/on-disk:/on-disk:ro")
    fi
    # CAP_SYS_RESOURCE is missing on some machines, so --privileged would fail. CAP_SYS_TIME would set this machine's clock.
    docker run -d --name "$name" --hostname "$2" --label "kuboard-ha.lab=$lab" --label "kuboard-ha.lab.host=$2=$3" \
        --network "$(network)" --ip "$3" --memory "$(memory_limit)" \
        --cap-add ALL --cap-drop SYS_RESOURCE --cap-drop SYS_TIME \
        --security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined \
        --cgroupns=private --tmpfs /run --tmpfs /run/lock --tmpfs /tmp -v /var/lib/docker \
        -e container=docker -e LAB_KEY="$(cat "$(lab_dir)/id_ed25519.pub")" --stop-signal SIGRTMIN+3 \
        "${disk[@]}" "$1" ${disk:+/on-disk} > /dev/null || die "$2 does not start"
}

# ---- disks: a file system of a bounded size for what a host keeps, so that it can be full without filling this machine's

disk_of() { printf '%s/disks/%s' "$(lab_dir)" "$1"; }

# make_disk HOST SIZE: an empty one, mounted here; it outlives the host's power.
make_disk() {
    local mount
    mount=$(disk_of "$1")
    drop_disk "$1"
    mkdir -p "$mount"
    truncate -s "$2" "$mount.ext4"
    as_root mkfs.ext4 -q -m 0 -O ^has_journal "$mount.ext4" || die "cannot make a file system for $1"
    as_root mount -o loop "$mount.ext4" "$mount" || die "cannot mount a disk for $1: this machine has no loop device to spare"
}

drop_disk() {
    local mount
    mount=$(disk_of "$1")
    ! mountpoint -q "$mount" || as_root umount "$mount" || as_root umount -l "$mount"
    rm -rf "$mount" "$mount.ext4"
}

# Eight hosts must fit, with room for who builds and tests meanwhile.
memory_limit() {
    local tenth
    tenth=$(awk '/^MemTotal:/ { print int($2 / 1024 / 10) }' /proc/meminfo)
    if [ "$tenth" -gt 2560 ]; then tenth=2560; fi
    if [ "$tenth" -lt 768 ]; then tenth=768; fi
    printf '%sm' "$tenth"
}

# lab_hosts: HOST=ADDRESS of each host that exists, running or not.
lab_hosts() {
    docker ps -a --filter "label=kuboard-ha.lab=$lab" --filter label=kuboard-ha.lab.host --format '{{.Label "kuboard-ha.lab.host"}}' | sort
}

# write_access: hosts, ssh_config and known_hosts. Host keys come over the engine, so the first connection is already checked.
write_access() {
    local directory host name address
    directory=$(lab_dir)
    lab_hosts > "$directory/hosts.new"
    : > "$directory/ssh_config.new"
    mkdir -p "$directory/keys"
    while IFS='=' read -r name address; do
        printf 'Host %s %s %s\n    HostName %s\n' "$name" "$(container "$name")" "$address" "$address" >> "$directory/ssh_config.new"
        fetch_host_keys "$name" "$address" > "$directory/keys/$name" &
    done < "$directory/hosts.new"
    cat >> "$directory/ssh_config.new" <<CONF
Host *
    User root
    IdentityFile "$directory/id_ed25519"
    IdentitiesOnly yes
    UserKnownHostsFile "$directory/known_hosts"
    StrictHostKeyChecking yes
    LogLevel ERROR
CONF
    wait
    while IFS='=' read -r name address; do
        cat "$directory/keys/$name"
    done < "$directory/hosts.new" > "$directory/known_hosts.new"
    rm -rf "$directory/keys"
    for host in hosts ssh_config known_hosts; do
        mv "$directory/$host.new" "$directory/$host"
    done
    if [ -n "${SUDO_UID:-}" ]; then chown -R "$SUDO_UID:${SUDO_GID:-}" "$directory"; fi
}

# fetch_host_keys HOST ADDRESS: its lines of known_hosts; a host at its first boot is waited for.
fetch_host_keys() {
    local name type
    name=$(container "$1")
    {
        docker exec "$name" timeout 30 sh -c 'until [ -s /etc/ssh/ssh_host_ecdsa_key.pub ]; do sleep 0.05; done
            cat /etc/ssh/ssh_host_ed25519_key.pub /etc/ssh/ssh_host_ecdsa_key.pub' 2> /dev/null ||
            # Stopped or paused: its disk can still be read.
            for type in ed25519 ecdsa; do
                docker cp "$name:/etc/ssh/ssh_host_${type}_key.pub" - 2> /dev/null | tar -xO
            done
    } | cut -d' ' -f1,2 | sed "s/^/$2,$1,$name /"
}

# A host answers when root can log in and systemd has come to rest.
answers() {
    ssh -n -F "$(lab_dir)/ssh_config" -o BatchMode=yes -o ConnectTimeout=2 "$1" 'systemctl is-system-running --wait > /dev/null; test ! -e /run/nologin' \
        > /dev/null 2>&1
}

# ---- what a person or a test does to a host

each_host() {
    local action=$1 host
    shift
    [ $# -gt 0 ] || die "which host? run: lab list"
    need_engine
    for host in "$@"; do
        exists "$(container "$host")" || die "lab $lab has no host $host; run: lab list"
    done
    at_once "$action" "$@"
}

# at_once ACTION HOST...: all in parallel, false if one fails.
at_once() {
    local action=$1 host jobs=() job failed=0
    shift
    for host in "$@"; do
        "$action" "$host" &
        jobs+=($!)
    done
    for job in "${jobs[@]}"; do
        wait "$job" || failed=1
    done
    return $failed
}

host_kill() { docker kill "$(container "$1")" > /dev/null; }
host_start() { docker start "$(container "$1")" > /dev/null; }
host_stop() { docker stop -t 60 "$(container "$1")" > /dev/null; }
# A control group in which much begins and ends cannot always be frozen at once.
host_pause() { until_true 10 docker pause "$(container "$1")" > /dev/null; }
host_unpause() { docker unpause "$(container "$1")" > /dev/null; }
host_rm() { docker rm -f -v "$(container "$1")" > /dev/null && drop_disk "$1"; }
host_wait() { until_true 90 answers "$1" || die "$1 does not answer on ssh after 90 s; see: docker logs $(container "$1")"; }

# The disk to its last block, and room again.
# shellcheck disable=SC2016  # the host's shell fills it in
host_fill() { on_disk "$1" 'fallocate -l "$(df -B1 --output=avail /disk | tail -n 1)" /disk/full 2> /dev/null; cat /dev/zero > /disk/fuller 2> /dev/null; true'; }
host_free() { on_disk "$1" 'rm -f /disk/full /disk/fuller'; }

on_disk() {
    docker exec "$(container "$1")" sh -c "mountpoint -q /disk || exit 9; $2" ||
        die "$1 does not run, or has no disk of a bounded size: boot it with --disk 2G"
}

# The cable: this machine's end of the host's wire. Its own end loses carrier and keeps its name, address and routes.
host_cut() { as_root ip link set "$(wire "$1")" down; }
host_mend() { as_root ip link set "$(wire "$1")" up; }

wire() {
    local process index
    process=$(docker container inspect -f '{{.State.Pid}}' "$(container "$1")")
    [ "$process" != 0 ] || die "$1 does not run; boot it with: lab start $1"
    index=$(as_root cat "/proc/$process/root/sys/class/net/eth0/iflink")
    ip -o link | awk -F'[:@ ]+' -v index_="$index" '$1 == index_ { print $2 }'
}

run_on_host() {
    local host=${1:?which host? run: lab list}
    shift
    docker exec -i "$(container "$host")" "$@"
}

log_in() {
    local host=${1:?which host? run: lab list}
    shift
    exec ssh -F "$(lab_dir)/ssh_config" "$host" "$@"
}

list() {
    need_engine
    docker ps -a --filter label=kuboard-ha.lab.host ${chosen:+--filter "label=kuboard-ha.lab=$chosen"} \
        --format '{{.Label "kuboard-ha.lab"}}\t{{.Label "kuboard-ha.lab.host"}}\t{{.Status}}' | tr '=' '\t' | sort | expand -t 20
}

# ---- the end

# down NAME [--images]: that lab; NAME empty: all of them, and the images.
down() {
    local images=
    case ${2:-} in
        '') [ -n "$1" ] || images=yes ;;
        --images) images=yes ;;
        *) die "down does not know $2; see: lab help" ;;
    esac
    if ! command -v docker > /dev/null || ! engine_answers; then
        say "no Docker engine answers: nothing to take down"
        return 0
    fi
    local filter=label=kuboard-ha.lab${1:+=$1} ids
    mapfile -t ids < <(docker ps -aq --filter "$filter")
    [ ${#ids[@]} -eq 0 ] || docker rm -f -v "${ids[@]}" > /dev/null
    mapfile -t ids < <(docker network ls -q --filter "$filter")
    [ ${#ids[@]} -eq 0 ] || docker network rm "${ids[@]}" > /dev/null
    local mount
    for mount in "$labs/${1:-*}"/disks/*; do
        ! mountpoint -q "$mount" || as_root umount "$mount" || as_root umount -l "$mount"
    done
    rm -rf "${labs:?}${1:+/$1}"
    if [ -n "$images" ]; then
        # What another lab still uses stays: without force the engine refuses to remove it.
        mapfile -t ids < <(docker image ls -q --filter label=kuboard-ha.lab.image | sort -u)
        [ ${#ids[@]} -eq 0 ] || docker image rm "${ids[@]}" > /dev/null 2>&1 || true
    fi
    say "${1:-every lab} is down"
}
