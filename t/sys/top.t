#!/bin/bash
# top, status and metrics tell what a real server uses: processor, and what it sends and is sent.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
need_root
need socat
rig_up
put_run one <<'END'
#!/bin/sh
echo up
i=0
while :; do i=$((i + 1)); done &
exec python3 -c '
import socket
s = socket.create_server(("0.0.0.0", 31001))
while True:
    c, _ = s.accept()
    try:
        while c.recv(65536):
            pass
        c.sendall(b"x" * (2 << 20))
    except OSError:
        pass  # a client that only looked whether we listen
    c.close()'
END
exits 0 "a server that works hard starts" started one
value() { python3 -c '
import json, sys
print(json.loads(sys.stdin.readline())[sys.argv[1]])' "$1"; }
to=$(address one)
ok "it listens" wait_until 15 timeout 5 socat -u /dev/null "TCP:$to:31001"
before=$(field one net_received)
(while timeout 10 sh -c "head -c 1000000 /dev/zero | socat -t 10 - TCP:$to:31001 >/dev/null" && [ ! -e "$TAP_TMP/enough" ]; do :; done) &
exits 0 "top while it is used" hf alice top one --json
# A round of the client's may be longer than the second that is looked at.
for i in 1 2 3 4 5 6; do
    top=$(hf alice top one --json)
    [ "$(value net_received_rate <<<"$top")" -lt 100000 ] || [ "$(value net_sent_rate <<<"$top")" -lt 100000 ] || break
done
touch "$TAP_TMP/enough"
wait
atleast "$(value net_received_rate <<<"$top")" 100000 "it was sent something in that second"
atleast "$(value net_sent_rate <<<"$top")" 100000 "and sent something"
if [ "$(field one cpu_ms)" -gt 0 ]; then
    atleast "$(value cpu_permille <<<"$top")" 10 "and used the processor"
else
    skip "and used the processor" "no cgroup2 here"
fi
after=$(field one net_received)
atleast $((after - before)) 1000000 "status has the sum: as many bytes as were sent, and headers"
atmost $((after - before)) $((($(field one net_sent) + after) * 2)) "in no other unit"
is "$(timeout 30 "$TOOL" --run "$RUN" metrics | sed -n 's/^holdfast_server_net_received_bytes_total{server="one"} //p')" "$(field one net_received)" "metrics have the same"
exits 0 "it is ended" killed one
is "$(field one net_received)" 0 "what does not run receives nothing"
exits 0 "top of all" hf alice top
like "$out" 'one +offline' "has those that do not run"
unlike "$out" 'three' "and not those of others"
exits 77 "nor by name" hf alice top three
done_testing
