# The head of the newest file of the write-ahead log: the ids of the cluster and of the member stand in it.
newest=
for file in "$data_dir"/member/wal/*.wal; do newest=$file; done
if [ -e "$newest" ]; then od -An -v -tx1 -N 128 "$newest"; fi
