# The member on this host still does not serve: one that was only seen during an election must not be restarted beside others.
# Without a leader etcd says so at once, so it is asked for as long as an election takes.
# shellcheck disable=SC2016,SC2154  # bash fills in its own variables; of health.sh
heard=$(timeout 10 bash -c "$http_ask$health"'
	until healthy 127.0.0.1 "$1" "the member"; do sleep 0.5; done' - "$port") || exit 0
fail "$(printf '%s\n' "$heard" | tail -n 1) by now"
