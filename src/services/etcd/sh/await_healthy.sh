http_limit=1
answer=$(http_get 127.0.0.1 "$port" /health) || {
	echo "/health does not answer yet"
	exit 1
}
case $answer in
*'"health":"true"'*) echo "healthy" ;;
*)
	echo "not healthy yet: $(printf '%s' "$answer" | tail -n 1)"
	exit 1
	;;
esac
