# Every member as it was seen when this was planned: its address, v or l (votes or learns), s or u (started or not).
member_list || exit 1
now=$(for url in $(member_urls "$list"); do
	entry=$(member_of "$list" "$url")
	role=v
	case $entry in *'"isLearner":true'*) role=l ;; esac
	case $entry in *'"name":"'?*'","peerURLs"'*) state=s ;; *) state=u ;; esac
	printf '%s=%s%s\n' "$url" "$role" "$state"
done | sort | tr '\n' ' ')
now=${now% }
[ "$now" = "$expected" ] || fail "the members are now $now, and were $expected"
