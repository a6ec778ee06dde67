# Exits 0 once QuestDB takes a login, answers a query and calls itself healthy. Given: as in look.sh. A start takes seconds, and
# its port is the last thing to come.
tcp_soon "$address" "$port" || {
	systemctl is-active --quiet questdb.service ||
		fail "questdb.service is $(systemctl is-active questdb.service || true), see: journalctl -u questdb.service"
	fail "nothing accepts connections on $address:$port"
}
secret_raw "$password" | pgwire_login "$address" "$port" "$user" "$database"
questdb_healthy || fail "127.0.0.1:9003 does not say that QuestDB is healthy"
