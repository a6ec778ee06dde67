# The members on these hosts are healthy.
# shellcheck disable=SC2016,SC2154,SC2086  # bash fills in its own variables; of health.sh; words of hosts'
heard=$(timeout 9 bash -c "$http_ask$health"'
	port=$1
	shift
	for host; do healthy "$host" "$port" "the member on $host" || exit; done' - "$port" $hosts) ||
	fail "$(printf '%s\n' "$heard" | tail -n 1)"
