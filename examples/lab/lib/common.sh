# shellcheck shell=bash
# Words that every part of the lab uses. Sourced by ../lab.

# say TEXT: progress, for people.
say() { printf 'lab: %s\n' "$*" >&2; }

# die TEXT: what is wrong and what to do, in one line.
die() {
    printf 'lab: %s\n' "$*" >&2
    exit 1
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo > /dev/null; then
        sudo "$@"
    else
        die "this needs root: run as root, or install sudo"
    fi
}

# shellcheck disable=SC2032
# docker ...: the engine's client, through sudo where its socket is not ours.
docker() {
    if [ "$(id -u)" = 0 ] || [ -w /var/run/docker.sock ]; then
        command docker "$@"
    else
        # shellcheck disable=SC2033  # the program, not this function
        sudo docker "$@"
    fi
}

engine_answers() { docker version -f '{{.Server.Version}}' > /dev/null 2>&1; }

need_engine() {
    engine_answers || die "no Docker engine answers; run: lab prepare"
}

# until_true SECONDS COMMAND...: polls; false when the time is up.
until_true() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$deadline" ] || return 1
        sleep 0.1
    done
}

container() { printf 'kuboard-ha-lab-%s-%s' "$lab" "$1"; }
network() { printf 'kuboard-ha-lab-%s' "$lab"; }
architecture() { dpkg --print-architecture; }

# address SUBNET NUMBER: 10.99.16.0/24 and 11 make 10.99.16.11.
address() { printf '%s.%s' "${1%.*}" "$2"; }

digest_of() { sha256sum "$1" | cut -d' ' -f1; }
