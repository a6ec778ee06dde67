# questdb_healthy : whether QuestDB says so of itself. Port 9003 keeps its connections open, so this does not wait for their end.
questdb_healthy() {
	# shellcheck disable=SC2016  # bash fills in its own variables
	timeout 2 bash -c 'exec 3<>/dev/tcp/127.0.0.1/9003 || exit
		printf "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" >&3
		while IFS= read -r line <&3; do case $line in "Status: Healthy"*) exit 0 ;; esac; done
		exit 1' 2>/dev/null
}

