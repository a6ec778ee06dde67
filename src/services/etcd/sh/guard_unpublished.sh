# Every member that holds data must answer and must not list this one as having served clients: then this one never
# took part in a quorum, and an empty start loses nothing.
http_limit=2
for holder in $holders; do
	view=$(http_get "$holder" "$port" /members) || fail "$holder does not answer on port $port"
	if printf '%s' "$view" | tr '{' '\n' | grep -F "\"name\":\"$name\"" | grep -qF '"clientURLs":["'; then
		fail "$holder lists $name as a member that has served already"
	fi
done
