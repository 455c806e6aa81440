#!/bin/bash
# holdfast metrics: text that the OpenMetrics reference parser takes, with the numbers that status, quota and the log have.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
need_root
/usr/bin/python3 -c 'import prometheus_client.openmetrics.parser' 2>/dev/null || skip_all "python3-prometheus-client is not installed"
rig_up
metrics() { timeout 30 "$TOOL" --run "$RUN" metrics; }
# NAME [LABEL=VALUE...]: the one sample of that name with those labels, as the parser of others reads it.
sample() {
    metrics | /usr/bin/python3 -c '
import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse
want = dict(w.split("=", 1) for w in sys.argv[2:])
found = [s for f in parse(sys.stdin.read()) for s in f.samples if s.name == sys.argv[1] and s.labels == want]
assert len(found) < 2, found
print(int(found[0].value) if found and float(found[0].value).is_integer() else found[0].value if found else "none")' "$@"
}

exits 0 "metrics" metrics
text=$out
is "$err" "" "and nothing else"
is "$(tail -n 1 <<<"$text")" "# EOF" "it ends as such a text must"
families=$(/usr/bin/python3 -c '
import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse
for f in parse(sys.stdin.read()):
    assert f.documentation, f.name
    print(f.name, f.type)' <<<"$text" 2>"$TAP_TMP/parse")
is "$(<"$TAP_TMP/parse")" "" "the reference parser takes every line"
like "$families" 'holdfast_build info' "the version"
like "$families" 'holdfast_server_state stateset' "states"
like "$families" 'holdfast_server_disk_used_bytes gauge' "disks"
like "$families" 'holdfast_server_cpu_seconds counter' "processor time"
is "$(sample holdfast_server_state server=one holdfast_server_state=offline)" 1 "it does not run"
is "$(sample holdfast_server_state server=one holdfast_server_state=running)" 0 "so it is in no other state"
is "$(metrics | grep -c '^holdfast_server_state{server="one".* 1$')" 1 "just one"

before=$(sample holdfast_logins_total) failed=$(sample holdfast_login_failures_total)
hf alice true && hf bob true
is "$(($(sample holdfast_logins_total) - before))" 2 "two logins are counted as two"
exits 255 "a stranger's login" timeout 30 ssh -F none -p "$PORT" -i "$KEY" -b 127.0.9.9 -o UserKnownHostsFile="$KNOWN_HOSTS" -o BatchMode=yes \
    -o IdentitiesOnly=yes -o IdentityAgent=none -o LogLevel=ERROR nobody@"$HOST" true
atleast "$(sample holdfast_login_failures_total)" $((failed + 1)) "is counted as a failure"
put_run one <<'END'
#!/bin/sh
dd if=/dev/zero of=big bs=1M count=5 2>/dev/null
echo up
exec sleep 1000
END
exits 0 "a server starts" started one
is "$(sample holdfast_server_state server=one holdfast_server_state=running)" 1 "it runs"
is "$(sample holdfast_server_ready server=one)" 1 "and is ready"
wait_until 20 eval '[ "$(sample holdfast_server_disk_used_bytes server=one)" -ge 5242880 ]'
is "$(sample holdfast_server_disk_used_bytes server=one)" "$(hf alice quota one --json | sed -n 's/.*"used":\([0-9]*\).*/\1/p')" "its disk as quota has it"
is "$(sample holdfast_server_disk_limit_bytes server=one)" "$(hf alice quota one --json | sed -n 's/.*"limit":\([0-9]*\).*/\1/p')" "and its limit"
is "$(sample holdfast_server_inodes_used server=one)" "$(hf alice quota one --json | sed -n 's/.*"inodes_used":\([0-9]*\).*/\1/p')" "files too"
is "$(sample holdfast_connections)" 0 "nobody is connected"
killed one >/dev/null
exits 2 "it takes no argument" timeout 30 "$TOOL" --run "$RUN" metrics more
done_testing
