def run(bench, options): return {}
