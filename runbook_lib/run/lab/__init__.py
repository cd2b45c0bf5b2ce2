"""JupyterLab: a parameterised working copy for an incident, a start page with a form, and sealing when a notebook is saved."""
