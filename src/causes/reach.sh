# $needs : words of HOST=ADDRESS=PORT; whether each accepts a connection from here.
for need in $needs; do
	(
		host=${need%%=*}
		port=${need##*=}
		address=${need#*=}
		address=${address%=*}
		how=open
		# shellcheck disable=SC2016  # bash fills in its own arguments
		said=$(LC_ALL=C timeout 1 bash -c 'exec 3<>"/dev/tcp/$1/$2"' - "$address" "$port" 2>&1) || case $said in
		*refused*) how=refused ;;
		*route* | *unreachable*) how=no-route ;;
		*) how=silent ;;
		esac
		printf '%s %s %s %s\n' "$how" "$host" "$address" "$port"
	) &
done
wait
