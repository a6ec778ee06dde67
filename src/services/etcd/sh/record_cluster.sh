view=$(http_get "$address" "$peer_port" /members) || fail "port $peer_port of this member does not answer"
id=$(printf '%s\n' "$view" | tr -d '\r' | sed -n 's/^[Xx]-[Ee]tcd-[Cc]luster-[Ii][Dd]: *//p')
case $id in
'' | *[!0-9a-f]*) fail "this member does not say which cluster it belongs to" ;;
esac
known=$(recorded 'etcd cluster-id')
if [ -n "$known" ] && [ "$known" != "$id" ]; then
	fail "this member belongs to cluster $id, but $known is on record"
fi
record 'etcd cluster-id' "$id"
