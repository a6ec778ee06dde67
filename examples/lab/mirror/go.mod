module kuboard-ha.invalid/mirror

go 1.19
