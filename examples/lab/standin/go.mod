module kuboard-ha.invalid/standin

go 1.19
