# Exits 0 once Kuboard's first keys are in etcd. Given: etcd (words of HOST=ADDRESS=PORT), login (the kind).
# /kind/KuboardAuthUser/cluster/GLOBAL/admin; without the built-in users anything below /kind/.
wanted='{"key":"L2tpbmQv","range_end":"L2tpbmQw","limit":"1","keys_only":true}'
if [ "$login" = default ]; then
	wanted='{"key":"L2tpbmQvS3Vib2FyZEF1dGhVc2VyL2NsdXN0ZXIvR0xPQkFML2FkbWlu","keys_only":true}'
fi
# shellcheck disable=SC2016,SC2086  # bash fills in its own variables; words of etcd's
heard=$(timeout 8 bash -c "$http_ask$opens$soon$reached"'
	wanted=$1
	shift
	written() {
		local member at
		for member; do
			at=${member#*=}
			ask "${at%=*}" "${at##*=}" /v3/kv/range "$wanted" || continue
			case $answer in *\"count\":\"[1-9]*) return 0 ;; *\"header\"*) return 1 ;; esac
		done
		return 1
	}
	soon written "$@" && exit
	etcd_reached "$@" && echo "Kuboard has not written its first keys to etcd yet"
	exit 1' - "$wanted" $etcd) || waits_for "$heard"
