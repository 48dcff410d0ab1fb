"""Plugins: listeners to the lifecycle of jobs and workers.

- ``log``: all wording of the log
- ``formats``: log lines as text, logfmt or JSON
- ``job_lines``: the two lines of each job, without a log record
- ``output``: where log lines go
- ``prometheus``: metrics of a process
- ``prometheus_queues``: metrics of queues and workers
- ``opentelemetry``: spans and metrics
- ``otel_names``: the names of OpenTelemetry's conventions
- ``sentry``: spans, failures and monitors of schedules
- ``failures``: the app's own function for jobs that are given up on
- ``app_context``: a context around each job, such as that of a Flask app
- ``probes``: a small HTTP server for health checks
- ``heartbeat_file``: a file for health checks without a port
"""
