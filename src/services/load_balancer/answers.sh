# $address $port $tls_port (empty without TLS): Kuboard's version page answers from here.
http_limit=2
answer=$(http_get "$address" "$port" /kuboard-resources/version.json) || answer=
case $answer in
'HTTP/1.'[01]' 200'*) ;;
'')
	printf 'nothing answers at %s port %s from here\n' "$address" "$port"
	exit 1
	;;
*)
	printf '%s port %s says %s\n' "$address" "$port" "$(printf '%s' "$answer" | head -n 1 | tr -d '\r')"
	exit 1
	;;
esac
if [ -n "$tls_port" ] && ! tcp_open "$address" "$tls_port"; then
	printf 'nothing answers at %s port %s from here\n' "$address" "$tls_port"
	exit 1
fi
printf '%s answers\n' "$address"
