"""The analyst's desk: JupyterLab, the RFPs in pandas, exports."""
