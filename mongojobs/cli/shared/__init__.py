"""What the commands share: options, opening the app, output, exit statuses."""
