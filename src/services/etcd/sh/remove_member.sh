# By its peer address, and its id where that was seen: what has this address now may be another member. A request that
# is not answered may have worked all the same, so the list is read again; without a leader it never works.
turns=8
while :; do
	if member_list; then
		entry=$(member_of "$list" "$url") || {
			echo "not listed"
			exit 0
		}
		found=$(member_id "$entry")
		[ -z "$id" ] || [ "$found" = "$id" ] || fail "$url is member $found now, and was $id"
		answer=$(http_post "$asked" "$port" /v3/cluster/member/remove "{\"ID\":\"$found\"}") || answer='no answer'
		case $answer in
		*'"members":['*) exit 0 ;;
		*) echo "not removed yet: $(refusal "$answer")" ;;
		esac
	fi
	turns=$((turns - 1))
	[ "$turns" -gt 0 ] || fail "$url could not be removed from the cluster"
	sleep 0.5
done
