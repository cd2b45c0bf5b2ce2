"""What several procedures read out of observations: spans, request rows, log lines, attempts, periods. Pure."""
