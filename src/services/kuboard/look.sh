# Looks at a replica. Given: address http_port agent_port etcd ('HOST=ADDRESS=PORT …') questdb ('' without audit)
# questdb_port. All side by side: a dead neighbour lets a connection hang. Asks nothing that Kuboard would write down.
answer() {
	if shift && "$@" >/dev/null 2>&1; then echo yes; else echo no; fi
}
say() {
	said=$(answer "$@")
	printf '%s %s\n' "$1" "$said"
}
version_json() {
	case $(http_get "$address" "$http_port" /kuboard-resources/version.json | head -n 1) in *' 200 '* | *' 200') ;; *) return 1 ;; esac
}

say web version_json &
say agent tcp_open "$address" "$agent_port" &
for member in $etcd; do
	at=${member#*=}
	say "etcd ${member%%=*}" tcp_open "${at%=*}" "${at##*=}" &
done
[ -z "$questdb" ] || say questdb tcp_open "$questdb" "$questdb_port" &
wait
