# $since : what the kernel, or SELinux's audit, complained of that long ago.
read -r up _ </proc/uptime
dmesg 2>/dev/null | tail -n 600 | awk -v from="$((${up%.*} - since))" '
	match($0, /^\[ *[0-9.]+\]/) { at = substr($0, 2, RLENGTH - 2) + 0; if (at < from) next }
	/[Kk]illed process|oom-kill:|avc: +denied|I\/O error|[Rr]emounting filesystem read-only|segfault at/ {
		sub(/^\[[^]]*\] */, ""); print }' | tail -n 20 | cut -c1-600
now=$(date +%s)
tail -n 300 /var/log/audit/audit.log 2>/dev/null | awk -v from="$((now - since))" '
	/avc: +denied/ && match($0, /audit\([0-9]+/) && substr($0, RSTART + 6, RLENGTH - 6) + 0 >= from' | tail -n 10 | cut -c1-600
