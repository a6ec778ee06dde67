# Every member has published its client address (it took part in a quorum of this very cluster), and a linearizable
# read works from here.
# shellcheck disable=SC2016,SC2154,SC2086  # bash fills in its own variables; of health.sh; words of names'
timeout 3 bash -c "$http_ask$soon$health"'
	address=$1 peer_port=$2 client_port=$3
	shift 3
	formed() {
		ask "$address" "$peer_port" /members || { echo "port $peer_port does not answer yet" && return 1; }
		local rest=$answer member name missing=" $* "
		while [[ $rest == *"{"* ]]; do
			rest=${rest#*"{"} member=${rest%%"}"*}
			[[ $member == *\"clientURLs\":[\"* ]] || continue
			name=${member#*\"name\":\"}
			missing=${missing/ ${name%%\"*} / }
		done
		[[ $missing != *[!\ ]* ]] || { echo "not yet taken part:${missing% }" && return 1; }
		healthy 127.0.0.1 "$client_port" "the member"
	}
	soon formed "$@"' - "$address" "$peer_port" "$client_port" $names
