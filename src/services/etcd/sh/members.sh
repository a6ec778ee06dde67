# member_urls LIST : the peer addresses in an answer of the gateway, one a line.
member_urls() { printf '%s' "$1" | tr '{' '\n' | sed -n 's/.*"peerURLs":\["\([^"]*\)".*/\1/p'; }

# member_of LIST URL : the piece of it that describes the member with this peer address.
member_of() { printf '%s' "$1" | tr '{' '\n' | grep '"peerURLs":' | grep -F "\"$2\""; }

# member_list : sets $list to the members, as one of $survivors sees them together with a majority, and $asked to it.
member_list() {
	http_limit=4
	for asked in $survivors; do
		list=$(http_post "$asked" "$port" /v3/cluster/member/list '{"linearizable":true}') || continue
		case $list in *'"members":['*) return 0 ;; esac
	done
	echo "no majority answers on $survivors"
	return 1
}

# member_id ENTRY : its id, decimal.
member_id() { printf '%s' "$1" | sed -n 's/.*"ID":"\{0,1\}\([0-9][0-9]*\).*/\1/p'; }

# refusal ANSWER : what the gateway said, in words.
refusal() {
	refused=$(printf '%s' "$1" | sed -n 's/.*"message":"\([^"]*\)".*/\1/p')
	printf '%s' "${refused:-$(printf '%s' "$1" | head -n 1 | tr -d '\r')}"
}

