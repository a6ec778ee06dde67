http_limit=3
for host in $hosts; do
	answer=$(http_get "$host" "$port" /health) || fail "the member on $host does not answer"
	case $answer in
	*'"health":"true"'*) ;;
	*) fail "the member on $host is not healthy: $(printf '%s' "$answer" | tail -n 1)" ;;
	esac
done
