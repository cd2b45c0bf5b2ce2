"""05: quota enforcement."""
