# Exits 0 once a replica works; until then the last line says what it waits for. Given: as in look.sh; login (the kind),
# first (yes: also wait for what a first start writes), steady (for how many seconds pages must have answered).
mark=$WORK/kuboard.steady
since=$(cat "$mark" 2>/dev/null) || since=
rm -f "$mark"
for member in $etcd; do
	at=${member#*=}
	tcp_open "${at%=*}" "${at##*=}" || fail "etcd on ${member%%=*} (${at%=*}:${at##*=}) is not reachable from here"
done
[ -z "$questdb" ] || tcp_open "$questdb" "$questdb_port" ||
	fail "QuestDB ($questdb:$questdb_port) is not reachable from here"

[ "$(docker inspect -f '{{.State.Running}}' kuboard 2>/dev/null)" = true ] ||
	fail "the container kuboard does not run, see: docker logs --tail 50 kuboard"

if [ "$first" = yes ]; then
	# Kuboard writes its users on a first start; another replica beside it would write them too.
	# /kind/KuboardAuthUser/cluster/GLOBAL/admin; without the built-in users anything below /kind/.
	if [ "$login" = default ]; then
		wanted='{"key":"L2tpbmQvS3Vib2FyZEF1dGhVc2VyL2NsdXN0ZXIvR0xPQkFML2FkbWlu","keys_only":true}'
	else
		wanted='{"key":"L2tpbmQv","range_end":"L2tpbmQw","limit":"1","keys_only":true}'
	fi
	written=
	for member in $etcd; do
		at=${member#*=}
		reply=$(http_post "${at%=*}" "${at##*=}" /v3/kv/range "$wanted") || continue
		case $reply in *'"count":"'[1-9]*) written=yes && break ;; *'"header"'*) break ;; esac
	done
	[ -n "$written" ] || fail 'Kuboard has not written its first keys to etcd yet, see: docker logs --tail 50 kuboard'
fi

status() {
	http_get "$address" "$http_port" "$1" | head -n 1 | tr -d '\r' | cut -d ' ' -f 2
}
web=$(status /kuboard-resources/version.json) || web=
[ "$web" = 200 ] || fail "http://$address:$http_port answers ${web:-nothing}, see: docker logs --tail 50 kuboard"
tcp_open "$address" "$agent_port" || fail "the agent port $address:$agent_port accepts no connection"

# A balancer in front counts a replica in again only after some checks of its own; the next may go no sooner.
read -r up _ </proc/uptime
up=${up%.*}
if [ $((up - ${since:=$up})) -lt "$steady" ]; then
	printf '%s\n' "$since" >"$mark"
	fail "it answers; in $((steady - up + since)) s balancers will have noticed"
fi

ask='/sso/auth?access_type=offline&client_id=kuboard-sso&redirect_uri=%2Fcallback&response_type=code&scope=openid+profile+email+groups&state=%2F'
[ "$login" = default ] && ask="$ask&connector_id=default"
leads=$(status "$ask") || leads=
case $login/$leads in
*/302 | */303) ;;
default/*) fail "a login at http://$address:$http_port/sso/auth leads nowhere: ${leads:-no answer}" ;;
*/200) ;;
*) fail "a login at http://$address:$http_port/sso/auth leads nowhere: ${leads:-no answer}" ;;
esac
