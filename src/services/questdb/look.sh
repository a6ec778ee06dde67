# Looks at QuestDB. Given: address port user database password (the secret's id) data_dir. Quick things first.
if [ -d "$data_dir/db" ] && [ -n "$(ls -A "$data_dir/db" 2>/dev/null)" ]; then
	printf 'data %s\n' "$(stat -c '%U:%G' "$data_dir/db")"
	# Two numbers at most: the tables' format, and since QuestDB 7 that of the whole.
	od -An -tu4 -N8 "$data_dir/db/_upgrade.d" 2>/dev/null | awk '{ print "format", ($2 ? $1 "." $2 : $1) }'
else
	echo 'data none'
fi

# The release file beside Java says its version 30 times as fast as Java does.
if [ -x /usr/bin/java ]; then
	java=$(readlink -f /usr/bin/java)
	java=${java%/bin/java}
	for file in "$java/release" "${java%/jre}/release"; do
		[ -f "$file" ] || continue
		sed -n 's/^JAVA_VERSION="\(.*\)".*/java \1/p' "$file"
		break
	done
fi

if questdb_healthy; then
	echo 'healthy yes'
else
	echo 'healthy no'
fi

if [ ! -f "$STATE/secrets/$password" ]; then
	echo 'login no'
elif secret_raw "$password" | pgwire_login "$address" "$port" "$user" "$database" 2>/dev/null; then
	echo 'login yes'
else
	echo 'login no'
fi
