# Whether the other members that this one lists answer on their peer ports: those outside the inventory, and those whose
# machine was not asked. A member list does not tell the dead from the living.
http_limit=1
list=$(http_post 127.0.0.1 "$port" /v3/cluster/member/list '{}') || exit 0
for url in $(member_urls "$list"); do
	[ "$url" != "$own" ] || continue
	place=${url#*://}
	place=${place%%/*}
	address=${place%:*}
	address=${address#\[}
	address=${address%\]}
	{
		if http_get "$address" "${place##*:}" /members >/dev/null; then
			printf 'answers %s\n' "$url"
		else
			printf 'silent %s\n' "$url"
		fi
	} &
done
wait
