for file in "$data_dir"/member/wal/*.wal; do
	if [ -e "$file" ]; then fail "there is a write-ahead log now: $file"; fi
done
