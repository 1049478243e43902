"""What mails and pages both say: dates, times and numbers in words. No request is needed."""
