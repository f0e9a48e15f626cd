"""The agent: joins the control plane, proves what it can do, takes batches from Temporal, starts a runner for each."""
