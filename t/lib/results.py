"""Results of a script whose output a test takes over line by line (import_results in tap.sh)."""


def ok(good, words, more=None):
    """One result.  MORE is shown when it failed."""
    ok.failed += not good
    print(f"{'ok' if good else 'not ok'} {words}", flush=True)
    if not good and more is not None:
        print(f"got {more!r}"[:2000], flush=True)


ok.failed = 0
