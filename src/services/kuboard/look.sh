# Looks at a replica. Given: address http_port agent_port etcd ('HOST=ADDRESS=PORT …') questdb ('' without audit)
# questdb_port. Neighbours side by side: one that is dead lets a connection hang. Asks nothing that Kuboard would write down.
# shellcheck disable=SC2016,SC2086  # bash fills in its own variables; words of etcd's
heard=$(timeout 2 bash -c "$http_ask$opens"'
	try() { opens "$2" "$3" && echo "<$1>"; }
	address=$1 http_port=$2 agent_port=$3
	[ -z "$4" ] || try questdb "$4" "$5" &
	shift 5
	for member; do
		at=${member#*=}
		try "etcd ${member%%=*}" "${at%=*}" "${at##*=}" &
	done
	try agent "$address" "$agent_port"
	ask "$address" "$http_port" /kuboard-resources/version.json
	answer=${answer#* }
	[ "${answer%%[!0-9]*}" != 200 ] || echo "<web>"
	wait' - "$address" "$http_port" "$agent_port" "$questdb" "$questdb_port" $etcd)

say() {
	case $heard in *"<$1>"*) printf '%s yes\n' "$1" ;; *) printf '%s no\n' "$1" ;; esac
}
say web
say agent
for member in $etcd; do say "etcd ${member%%=*}"; done
[ -z "$questdb" ] || say questdb
