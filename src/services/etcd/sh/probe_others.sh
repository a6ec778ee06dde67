# Whether the other members that this one lists answer on their peer ports: those outside the inventory, and those whose
# machine was not asked. A member list does not tell the dead from the living. Given: port own (this one's peer address).
# shellcheck disable=SC2016  # bash fills in its own variables
heard=$(timeout 2 bash -c "$http_ask"'
	rest=$(ask 127.0.0.1 "$1" /v3/cluster/member/list "{}")
	while [[ $rest == *"\"peerURLs\":[\""* ]]; do
		rest=${rest#*"\"peerURLs\":[\""}
		url=${rest%%"\""*}
		[ "$url" != "$2" ] || continue
		echo "member $url"
		place=${url#*://}
		place=${place%%/*}
		address=${place%:*}
		address=${address#\[}
		(if ask "${address%\]}" "${place##*:}" /members >/dev/null; then echo "answers $url"; fi) &
	done
	wait' - "$port" "$own")
while read -r what url; do
	case $what in
	answers) printf 'answers %s\n' "$url" ;;
	member)
		case "$heard
" in *"answers $url
"*) ;; *) printf 'silent %s\n' "$url" ;; esac
		;;
	esac
done <<HEARD
$heard
HEARD
