http_limit=1
for holder in $holders; do
	http_get "$holder" "$port" /members >/dev/null || {
		echo "the member on $holder does not answer its peers yet"
		exit 1
	}
done
echo "the members that hold data answer"
