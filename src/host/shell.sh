# The far side of a session: what the bootstrap (boot.rs) evaluates on a host. POSIX sh; runs under dash, bash and
# busybox ash. Before it stand assignments: CLUSTER RUN STATE WORK (as plan/steps.sh knows them), interpreter, prelude, runtime.
#
# File descriptors: 3 carries frames to the controller, 4 requests from it, 9 holds the lease. Steps get none of 3
# and 4, so nothing they print can pass for a frame; they inherit 9, so the lease lasts until the last of them ends.
# Every frame is a line of its own with an empty line before it: output may end without a newline.

leased='' idle='' stopping='' gone='' dog='' listener='' seen='' looked='' stale='' turns=0
end='#kuboard-ha end'
# The shell of a look: its text comes over standard input, neither in argv (128 KiB, and visible) nor in a file.
runner='text=$(cat); exec </dev/null; eval "$text"'

say() { printf '\n%s\n' "$*" >&3 2>/dev/null || leave; }

# Says why this shell cannot go on, and ends it.
broken() { say "broken $*"; leave; }

# What no run can do without.
need() { command -v "$1" >/dev/null || broken "$1 is missing: install $2"; }

# Ends this shell between steps.
leave() {
    trap '' TERM HUP PIPE
    release
    exit 0
}

# Unlocking gives the lease back even if something that a step left behind still holds the descriptor; a shell that
# is killed does not get here, and then the lease waits for its orphans.
release() {
    [ -z "$dog" ] || kill -9 "$dog" 2>/dev/null
    [ -z "$listener" ] || kill -9 "$listener" 2>/dev/null
    if [ -n "$leased" ]; then
        rm -rf "$WORK"
        flock -u 9
    fi
    leased=''
}

# Ends a child of this shell's own. Not with TERM: a child just forked still has our handler, and would miss it.
put_down() {
    kill -9 "$1"
    wait "$1"
} 2>/dev/null

# Seconds since the epoch, without a process.
now() { read -r up _ </proc/uptime; now=$((booted + ${up%.*})); }

# Reads a text of $1 bytes. dd reads no byte too many; a shorter text lacks the last line: the controller is gone.
take() {
    taken=$(dd bs="$1" count=1 iflag=fullblock <&4 2>/dev/null)
    case $taken in *"$end") ;; *) leave ;; esac
}

# Runs the text $2 of a look for at most $1 seconds, with all it starts; 124 says that the time was up.
limited() {
    printf '%s\n' "$prelude" "$runtime" "$2" |
        timeout -k 5 "$1" $interpreter -c "$runner" kuboard-ha 3>&- 4<&-
}

# The same with the text of a guard or a step. It lies in the run's own folder: no process has to hand it over.
carry_out() {
    printf '%s\n' ". '$WORK/runtime'" 'set -eu' "$2" >"$WORK/text" || broken "cannot write to $WORK"
    timeout -k 5 "$1" $interpreter "$WORK/text" 3>&- 4<&- </dev/null
}

# What every text finds set, quoted by the controller, and prelude.sh.
prelude="CLUSTER='$CLUSTER' RUN='$RUN' STATE='$STATE' WORK='$WORK'
$prelude"
eval "$prelude"

# gather LIMIT SIZE: looks, and needs neither a lease nor a place to write.
gather() {
    take "$2"
    # Asked before the look, so that nothing done during it can go unseen: who is at work now will make it stale.
    last
    seen=$last looked=yes
    holder
    [ -z "$other" ] || seen=busy
    # Older versions of bash write what stands in <<here into files, and /tmp may be full or read-only.
    text="TMPDIR=/run; export TMPDIR
$taken"
    printed=$(limited "$1" "$text" 9>&-; printf '\n%s' "$?")
    code=${printed##*[!0-9]}
    printed=${printed%?"$code"}
    # Counted, so nothing in it passes for a frame.
    say "gathered $code ${#printed} $other"
    printf '%s' "$printed" >&3 2>/dev/null || leave
}

# Who else holds the lease into $other: RUN STEP SINCE LIMIT PID, or nothing. Creates nothing, and holds it for no longer than
# it takes.
holder() {
    other=''
    [ -z "$leased" ] && [ -e "$STATE/lease" ] || return 0
    (exec 8<"$STATE/lease" && ! flock -s -n 8) 2>/dev/null || return 0
    last
    other=$last
}

# What the last run left there, into $last.
last() {
    last=''
    [ ! -f "$STATE/holder" ] || IFS='' read -r last <"$STATE/holder"
} 2>/dev/null

# Writes who holds the lease, for others to read. The process tells two shells of one run apart.
hold() {
    now
    printf '%s %s %s %s %s\n' "$RUN" "$1" "$now" "$2" "$$" >"$STATE/holder"
}

# lease: takes it, or says who has it. Stale: since this shell last looked, another run had it.
lease() {
    if [ -z "$leased" ]; then
        need flock util-linux
        why=$( (umask 077 && mkdir -p "$STATE" && : >>"$STATE/lease") 2>&1) || broken "cannot write to $STATE: $why"
        exec 9>>"$STATE/lease"
        # Somebody who looks holds it for a moment; hence the second try.
        if ! flock -n 9 && ! { sleep 0.2 && flock -n 9; }; then
            exec 9>&-
            last
            say "busy $last"
            return
        fi
        leased=yes
        last
        [ -z "$looked" ] || [ "$last" = "$seen" ] || stale=stale
        # Whatever a killed shell left there is nobody's now.
        why=$( (umask 077 && rm -rf "$WORK" && mkdir -p "$WORK" && date >"$WORK/since") 2>&1) ||
            broken "cannot write to $WORK: $why"
        printf '%s\n' "$prelude" "$runtime" >"$WORK/runtime" || broken "cannot write to $WORK"
        hold - 0 || broken "cannot write to $STATE: $(hold - 0 2>&1)"
        watch
    fi
    say "leased $stale"
    stale=''
}

# job ID SIZE: the text calls guard and step in turn.
job() {
    take "$2"
    [ -n "$leased" ] || broken "a job without a lease"
    job=$1 over=''
    : >"$WORK/stop"
    # Nothing is sent during a job, so whatever comes, end of input above all, means: stop after this step.
    { read -r _ <&4; echo yes >"$WORK/stop"; } 3>&- 9>&- &
    listener=$!
    eval "$taken"
    put_down "$listener"
    listener=''
    if [ -s "$WORK/stop" ]; then stopping=yes; fi
    hold - 0
    say "done $job"
}

# Sends what a step printed: at most the last 64 KiB.
tell() { [ ! -s "$WORK/output" ] || tail -c 65536 "$WORK/output" | sed 's/^/|/' >&3; }

# guard INDEX LIMIT TEXT: what must hold before the job's first step.
guard() {
    [ -z "$over" ] || return 0
    carry_out "$2" "$3" >"$WORK/output" 2>&1
    code=$?
    [ "$code" != 0 ] || return 0
    over=yes
    tell
    say "fenced $1"
}

# step INDEX LIMIT TEXT: begin is written before anything is done, so a controller that has vanished stops the
# shell exactly here.
step() {
    [ -z "$over" ] || return 0
    if [ -s "$WORK/stop" ] || [ -n "$stopping" ]; then
        over=yes
        say "stopped $1"
        return 0
    fi
    hold "$job/$1" "$2" || broken "cannot write to $STATE: $(hold "$job/$1" "$2" 2>&1)"
    say "begin $1"
    : >"$WORK/changed"
    carry_out "$2" "$3" >"$WORK/output" 2>&1
    code=$?
    # timeout kills itself with what ignored its first signal.
    now
    if [ "$code" = 137 ]; then read -r _ _ since _ <"$STATE/holder"; [ $((now - since)) -lt "$2" ] || code=124; fi
    changed=yes
    [ ! -s "$WORK/changed" ] || changed=no
    tell
    say "end $1 $code $changed"
    [ "$code" = 0 ] || over=yes
}

# read SECRET: its size in bytes and the bytes themselves; -1 where it is not.
give() {
    if [ -f "$STATE/secrets/$1" ]; then
        say "value $(wc -c <"$STATE/secrets/$1")"
        cat "$STATE/secrets/$1" >&3
    else
        say 'value -1'
    fi
}

# secret ID SIZE: kept root-only in memory-backed storage, until a step puts it where it belongs.
keep() {
    [ -n "$leased" ] || broken "a secret without a lease"
    (umask 077 && dd bs="$2" count=1 iflag=fullblock <&4 >"$WORK/secret.$1" 2>/dev/null) ||
        broken "cannot write to $WORK"
    [ "$(wc -c <"$WORK/secret.$1")" -eq "$2" ] || leave
    say kept
}

# holds SHA256 PATH: whether that file is already there.
holds() {
    if [ -f "$2" ] && digest "$2" && [ "$digest" = "$1" ]; then say received; else say absent; fi
}

# receive SIZE SHA256 PATH: the bytes, in place only when they are right and on the disk: a name that outlives a power cut
# stands for all of them. What a shell that was killed has left of them is in nobody's way, and gone.
receive() {
    part=$3.$$.part
    rm -f "$3".*.part
    (umask 077 && mkdir -p "${3%/*}" && : >"$part") || broken "cannot write to ${3%/*}"
    if ! {
        { [ "$1" -lt 65536 ] || dd bs=65536 count="$(($1 / 65536))" iflag=fullblock 2>/dev/null; } &&
            { [ "$(($1 % 65536))" -eq 0 ] || dd bs="$(($1 % 65536))" count=1 iflag=fullblock 2>/dev/null; }
    } <&4 >"$part"; then
        free=$(df -Pk "${3%/*}" | awk 'NR == 2 { print $4 }')
        rm -f "$part"
        broken "writing $1 bytes to ${3%/*} failed, ${free:-?} KiB are free there"
    fi
    if [ "$(wc -c <"$part")" -ne "$1" ]; then
        rm -f "$part"
        leave
    fi
    digest "$part" || broken "cannot read $part"
    if [ "$digest" != "$2" ]; then
        rm -f "$part"
        say "damaged $digest"
        return
    fi
    sync "$part" 2>/dev/null || sync
    mv -f "$part" "$3" || broken "cannot write to ${3%/*}"
    # What is unpacked in this run need not be read once more for its digest (is_unchanged in plan/steps.sh).
    [ ! -d "$WORK" ] || archive_stamp "$3" >"$WORK/verified.$2"
    say received
}

# Ends a shell that holds the lease and hears nothing for half a minute: it has lost its controller. Each wait for a request
# stands with a number of its own in $WORK/idle; while a step runs there is none. (dash has no read -t; naps are short, for
# killed with -9 this leaves its last one behind.)
watch() {
    (
        same='' naps=0
        while sleep 1 && kill -0 "$$"; do
            read -r turn <"$WORK/idle" || turn=''
            if [ -z "$turn" ] || [ "$turn" != "$same" ]; then naps=0; fi
            same=$turn naps=$((naps + 1))
            [ "$naps" -le "$patience" ] || kill -TERM "$$"
        done
    ) </dev/null >/dev/null 2>&1 3>&- 4<&- 9>&- &
    dog=$!
}

# Waits for a request.
listen() {
    turns=$((turns + 1))
    [ -z "$leased" ] || { echo "$turns" >"$WORK/idle"; } 2>/dev/null
    idle=yes
    IFS=' ' read -r verb one two rest <&4
    heard=$?
    idle=''
    [ -z "$leased" ] || { echo >"$WORK/idle"; } 2>/dev/null
    return "$heard"
}

serve() {
    # Handlers, not '': what is ignored here would be ignored by everything that steps start.
    trap 'gone=yes' PIPE
    trap 'stopping=yes; [ -z "$idle" ] || leave' TERM HUP
    for tool in cat date head mkdir rm sleep tail timeout wc; do need "$tool" coreutils; done
    need sed sed
    need find findutils
    stamp=$(date +%s%N)
    read -r up _ </proc/uptime
    seconds=${stamp%%[!0-9]*}
    if [ "${#seconds}" -gt 15 ]; then seconds=${seconds%?????????}; fi
    booted=$((seconds - ${up%.*}))
    say "ready $stamp"
    while [ -z "$stopping" ] && [ -z "$gone" ] && listen; do
        case $verb in
            ping) say pong ;;
            gather) gather "$one" "$two" ;;
            lease) lease ;;
            job) job "$one" "$two" ;;
            read) give "$one" ;;
            secret) keep "$one" "$two" ;;
            holds) holds "$one" "$two${rest:+ $rest}" ;;
            receive) receive "$one" "$two" "$rest" ;;
            *) broken "unknown request $verb" ;;
        esac
    done
    release
    say bye
    leave
}

cd / || exit 1
serve
