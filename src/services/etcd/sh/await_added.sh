# Adds the member as a learner, or finds it added. etcd 3.5 refuses with `unhealthy cluster` until every voter has been
# connected for 5 s.
member_list || exit 1
if member_of "$list" "$url" >/dev/null; then
	echo "listed"
	exit 0
fi
answer=$(http_post "$asked" "$port" /v3/cluster/member/add "{\"peerURLs\":[\"$url\"],\"isLearner\":true}") ||
	answer='no answer'
case $answer in
*'"members":['*) echo "listed" ;;
*)
	echo "not added yet: $(refusal "$answer")"
	exit 1
	;;
esac
