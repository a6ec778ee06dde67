# Promotes the learner once it has started and caught up. Never before it published its name: 3.5.6 would make a voter
# of a member that never started.
member_list || exit 1
entry=$(member_of "$list" "$url") || {
	echo "the cluster does not list $url"
	exit 1
}
case $entry in
*'"name":"'?*'","peerURLs"'*) ;;
*)
	echo "it has not started yet"
	exit 1
	;;
esac
case $entry in
*'"isLearner":true'*) ;;
*)
	echo "it votes"
	exit 0
	;;
esac
answer=$(http_post "$asked" "$port" /v3/cluster/member/promote "{\"ID\":\"$(member_id "$entry")\"}") || answer='no answer'
case $answer in
*'"members":['*) echo "it votes" ;;
*)
	echo "not promoted yet: $(refusal "$answer")"
	exit 1
	;;
esac
