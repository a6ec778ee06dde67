# Whether the other members that this one lists answer on their peer ports: those outside the inventory, and those whose
# machine was not asked. A member list does not tell the dead from the living. Bash; given: answer (the list), own (this
# one's peer address).
rest=$answer
while [[ $rest == *"\"peerURLs\":[\""* ]]; do
	rest=${rest#*"\"peerURLs\":[\""}
	url=${rest%%"\""*}
	[ "$url" != "$own" ] || continue
	# What is said later counts.
	echo "silent $url"
	place=${url#*://}
	place=${place%%/*}
	address=${place%:*}
	address=${address#\[}
	(if ask "${address%\]}" "${place##*:}" /members; then echo "answers $url"; fi) &
done
