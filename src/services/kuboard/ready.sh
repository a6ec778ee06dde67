# Exits 0 once a replica works; until then the last line says what it waits for. Given: as in look.sh; login (the
# kind), steady (for how many seconds pages must have answered).
mark=$WORK/kuboard.steady
since=$(cat "$mark" 2>/dev/null) || since=
rm -f "$mark"
# The last line says what was seen, also of a neighbour to whom a connection hangs.
# shellcheck disable=SC2016,SC2086  # bash fills in its own variables; words of etcd's
heard=$(timeout 8 bash -c "$http_ask$opens$soon$reached"'
	address=$1 http_port=$2 agent_port=$3 questdb=$4 questdb_port=$5
	shift 5
	not_yet() { seen=$* && echo "$seen" && return 1; }
	answers() {
		ask "$address" "$http_port" /kuboard-resources/version.json
		answer=${answer#* }
		answer=${answer%%[!0-9]*}
		[ "$answer" = 200 ] || not_yet "http://$address:$http_port answers ${answer:-nothing}" || return
		opens "$address" "$agent_port" || not_yet "the agent port $address:$agent_port accepts no connection" || return
	}
	soon answers
	code=$?
	etcd_reached "$@" || exit
	[ -z "$questdb" ] || reaches QuestDB "$questdb" "$questdb_port" || exit
	[ "$code" = 0 ] || not_yet "$seen"' - \
	"$address" "$http_port" "$agent_port" "$questdb" "$questdb_port" $etcd) || waits_for "$heard"

# A balancer in front counts a replica in again only after some checks of its own; the next may go no sooner.
read -r up _ </proc/uptime
up=${up%.*}
if [ $((up - ${since:=$up})) -lt "$steady" ]; then
	printf '%s\n' "$since" >"$mark"
	fail "it answers; in $((steady - up + since)) s balancers will have noticed"
fi

ask='/sso/auth?access_type=offline&client_id=kuboard-sso&redirect_uri=%2Fcallback&response_type=code&scope=openid+profile+email+groups&state=%2F'
[ "$login" = default ] && ask="$ask&connector_id=default"
leads=$(http_get "$address" "$http_port" "$ask") || leads=
leads=${leads#* }
leads=${leads%%[!0-9]*}
case $login/$leads in
*/302 | */303) ;;
default/*) fail "a login at http://$address:$http_port/sso/auth leads nowhere: ${leads:-no answer}" ;;
*/200) ;;
*) fail "a login at http://$address:$http_port/sso/auth leads nowhere: ${leads:-no answer}" ;;
esac
