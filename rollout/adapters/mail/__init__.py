"""Mail: render the templates, talk SMTP, know at which phase it failed."""
