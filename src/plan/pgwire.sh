# pgwire_login HOST PORT USER DATABASE: logs in to a PostgreSQL wire server with the password on standard input
# (its first line), runs `select 1`, and exits 0 when a row came back; else the last line says what was seen.
# bash speaks it over /dev/tcp, so a bare host needs neither psql nor python; the password is never an argument
# nor in the environment. Only what QuestDB asks for is known: the password in the clear.
pgwire_login() {
    timeout -k 1 5 bash -c '
        set -u
        export LC_ALL=C
        host=$1 port=$2 user=$3 database=$4
        say() { printf "%s\n" "$*" >&2; exit 1; }
        IFS= read -r password || [ -n "$password" ] || say "no password on standard input"
        { exec 3<>"/dev/tcp/$host/$port"; } 2>/dev/null || say "nothing accepts connections on $host:$port"

        # A number as four bytes, big end first, written as escapes for printf %b.
        int32() {
            printf -v out "\\\\x%02x\\\\x%02x\\\\x%02x\\\\x%02x" \
                $(($1 >> 24 & 255)) $(($1 >> 16 & 255)) $(($1 >> 8 & 255)) $(($1 & 255))
        }
        # One byte into $byte as a number; a NUL reads as the empty string.
        byte() {
            local c
            IFS= read -r -d "" -n 1 -t 2 -u 3 c || return 1
            printf -v byte %d "'\''$c"
            byte=$((byte & 255))
        }
        number() {
            local i
            value=0
            for i in 1 2 3 4; do byte || return 1; value=$((value << 8 | byte)); done
        }
        # One message: its type into $type, the first number of an R into $code, the M field of an E into $text.
        message() {
            local left c field=
            byte || return 1
            printf -v type "\\\\x%02x" "$byte"; printf -v type %b "$type"
            number || return 1
            left=$((value - 4)) code=0 text=
            [ "$left" -ge 0 ] && [ "$left" -le 65536 ] || say "$host:$port does not speak the PostgreSQL protocol"
            if [ "$type" = R ] && [ "$left" -ge 4 ]; then number || return 1; code=$value left=$((left - 4)); fi
            while [ "$left" -gt 0 ]; do
                IFS= read -r -d "" -n 1 -t 2 -u 3 c || return 1
                left=$((left - 1))
                field=$field$c
                [ -z "$c" ] || continue
                case $field in M*) text=${field#M} ;; esac
                field=
            done
        }

        # 8: length and version; 5 + 9 + 1: "user", "database" and the last NUL; one NUL after each value.
        int32 $((8 + 5 + ${#user} + 1 + 9 + ${#database} + 1 + 1)); length=$out
        printf "%b\0\3\0\0user\0%s\0database\0%s\0\0" "$length" "$user" "$database" >&3
        doubt="does not speak the PostgreSQL protocol"
        while message || say "$host:$port $doubt"; do
            case $type$code in
                R0) ;;
                R3) int32 $((4 + ${#password} + 1)); printf "p%b%s\0" "$out" "$password" >&3
                    doubt="ended the connection after the password: it is wrong there" ;;
                R*) say "$host:$port asks for a way to log in that is not known here ($code)" ;;
                E*) say "$host:$port refused the login: $text" ;;
                Z*) break ;;
            esac
        done

        int32 $((4 + 8 + 1)); printf "Q%bselect 1\0" "$out" >&3
        rows=0
        while message || say "$host:$port ended the connection during a query"; do
            case $type in
                D) rows=$((rows + 1)) ;;
                E) say "$host:$port failed a query: $text" ;;
                Z) break ;;
            esac
        done
        int32 4; printf "X%b" "$out" >&3
        [ "$rows" = 1 ] || say "$host:$port gave $rows rows for select 1"
    ' pgwire "$@"
}
