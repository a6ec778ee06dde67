# Waits for this member's turn in a first start. Before it begins, etcd asks every other member whether this one was there before,
# and gives each a second: one that listens and does not serve yet, because it asks in its turn, costs all of it (etcd 3.5.6,
# cluster_util.go: getClusterFromRemotePeers). Three that start in the same moment lose 2 s each; one after the other, none.
# Given: earlier (addresses), port. Nobody is waited for longer than that would cost.
# shellcheck disable=SC2016,SC2086  # bash fills in its own variables; words of addresses
timeout 2 bash -c "$http_ask$soon"'
	port=$1
	shift
	answers() { ask "$1" "$port" /members && [ -n "$answer" ]; }
	for member; do
		until soon answers "$member"; do :; done
	done' - "$port" $earlier || true
