# Looks at a replica. Given: address http_port agent_port etcd ('HOST=ADDRESS=PORT …') questdb ('' without audit)
# questdb_port. All side by side: a dead neighbour lets a connection hang. Asks nothing that Kuboard would write down.
# shellcheck disable=SC2016,SC2086  # bash fills in its own variables; words of etcd's
heard=$(timeout 2 bash -c "$http_ask"'
	try() { (exec 3<>"/dev/tcp/$2/$3") 2>/dev/null && echo "<$1>"; }
	(ask "$1" "$2" /kuboard-resources/version.json | { read -r _ code _; [ "$code" != 200 ] || echo "<web>"; }) &
	try agent "$1" "$3" &
	[ -z "$4" ] || try questdb "$4" "$5" &
	shift 5
	for member; do
		at=${member#*=}
		try "etcd ${member%%=*}" "${at%=*}" "${at##*=}" &
	done
	wait' - "$address" "$http_port" "$agent_port" "$questdb" "$questdb_port" $etcd)

say() {
	case $heard in *"<$1>"*) printf '%s yes\n' "$1" ;; *) printf '%s no\n' "$1" ;; esac
}
say web
say agent
for member in $etcd; do say "etcd ${member%%=*}"; done
[ -z "$questdb" ] || say questdb
