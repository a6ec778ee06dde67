# Exits 0 once QuestDB takes a login, answers a query and calls itself healthy. Given: as in look.sh. A start takes seconds, and
# its port is the last thing to come.
tcp_soon "$address" "$port" || {
	systemctl is-active --quiet questdb.service ||
		fail "questdb.service is $(systemctl is-active questdb.service || true), see: journalctl -u questdb.service"
	fail "nothing accepts connections on $address:$port"
}
secret_raw "$password" | pgwire_login "$address" "$port" "$user" "$database"
# shellcheck disable=SC2016  # bash fills in its own variables
timeout 2 bash -c 'exec 3<>/dev/tcp/127.0.0.1/9003 || exit
	printf "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" >&3
	while IFS= read -r line <&3; do case $line in "Status: Healthy"*) exit 0 ;; esac; done
	exit 1' 2>/dev/null || fail "127.0.0.1:9003 does not say that QuestDB is healthy"
