# $health: HAProxy's own frontend on loopback answers.
http_limit=2
case $(http_get 127.0.0.1 "$health" /live) in
'HTTP/1.'[01]' 200'*) echo 'HAProxy answers' ;;
*)
	printf 'HAProxy does not answer on 127.0.0.1:%s; it is %s\n' "$health" "$(systemctl is-active haproxy.service)"
	exit 1
	;;
esac
