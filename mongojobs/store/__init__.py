"""Every MongoDB call: jobs, workers and queues as documents, indexes, clients."""
