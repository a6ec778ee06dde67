# Every member has published its client address (it took part in a quorum of this very cluster), and a linearizable
# read works from here.
http_limit=1
view=$(http_get "$address" "$peer_port" /members) || {
	echo "port $peer_port does not answer yet"
	exit 1
}
missing=
for name in $names; do
	printf '%s' "$view" | tr '{' '\n' | grep -F "\"name\":\"$name\"" | grep -qF '"clientURLs":["' ||
		missing="$missing $name"
done
if [ -n "$missing" ]; then
	echo "not yet taken part:$missing"
	exit 1
fi
answer=$(http_get 127.0.0.1 "$client_port" /health) || {
	echo "no quorum yet: /health does not answer"
	exit 1
}
case $answer in
*'"health":"true"'*) echo "healthy" ;;
*)
	echo "not healthy yet: $(printf '%s' "$answer" | tail -n 1)"
	exit 1
	;;
esac
